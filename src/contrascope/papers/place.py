"""Where a table lies."""


def folder_of(table: str, scale: str, *, dry: bool = False) -> str:
    """The folder of a table beside the others.

    >>> folder_of("huang-pairs", "cpu"), folder_of("huang-pairs", "gpu", dry=True)
    ('huang-pairs', 'huang-pairs-gpu-dry')
    """
    return "-".join([table, *([] if scale == "cpu" else [scale]), *(["dry"] if dry else [])])
