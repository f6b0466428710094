"""公文: papers in the layout of GB/T 9704-2012 as DOCX, with charts as pictures where a Chinese font is present. Pure."""
