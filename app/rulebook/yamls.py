"""What a YAML text must not be before it is built: too deep, or made of repetitions of itself. Pure."""

import yaml

DEPTH_MAX = 20


def too_involved(text: str) -> bool:
    """Whether a YAML text nests deeper than any of ours or repeats parts by alias.

    The C parser ends the process on a text that is deep enough, and aliases of aliases grow without bound.

    Raises:
        yaml.YAMLError: it is no YAML.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX or isinstance(event, yaml.AliasEvent):
            return True
    return False
