"""Finds a font that can draw Chinese: without one a picture would come out without its words, and nobody would be told."""

from functools import lru_cache
from pathlib import Path

FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "/System/Library/Fonts", "C:/Windows/Fonts")
# Names of files that hold simplified Chinese, the most common first.
NAMES = (
    "NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "SourceHanSansSC-Regular.otf",
    "SourceHanSansCN-Regular.otf", "wqy-zenhei.ttc", "wqy-microhei.ttc", "simhei.ttf", "simsun.ttc", "msyh.ttc",
    "PingFang.ttc", "STHeiti Light.ttc",
)  # fmt: skip
FAMILIES = {
    "NotoSansCJK-Regular.ttc": "Noto Sans CJK SC", "NotoSansCJKsc-Regular.otf": "Noto Sans CJK SC",
    "NotoSansSC-Regular.otf": "Noto Sans SC", "SourceHanSansSC-Regular.otf": "Source Han Sans SC",
    "SourceHanSansCN-Regular.otf": "Source Han Sans CN", "wqy-zenhei.ttc": "WenQuanYi Zen Hei",
    "wqy-microhei.ttc": "WenQuanYi Micro Hei", "simhei.ttf": "SimHei", "simsun.ttc": "SimSun",
    "msyh.ttc": "Microsoft YaHei", "PingFang.ttc": "PingFang SC", "STHeiti Light.ttc": "Heiti SC",
}  # fmt: skip


@lru_cache(maxsize=8)
def chinese_font(folders: tuple[str, ...] = FOLDERS) -> tuple[Path, str] | None:
    """Return the file and family of a font that draws Chinese; None where the machine has none we know."""
    found = {path.name: path for folder in folders for path in _files(Path(folder))}
    return next(((found[name], FAMILIES[name]) for name in NAMES if name in found), None)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name in FAMILIES] if folder.is_dir() else []
