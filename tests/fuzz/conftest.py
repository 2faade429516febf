import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # for damage, consumers and specimens


@pytest.fixture(scope="session")
def specimens(tmp_path_factory):
    """The folder with one of everything."""
    # imported here: what a conftest imports is loaded before shapes are checked
    import torch
    from specimens import everything

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = everything(tmp_path_factory.mktemp("specimens"))
    torch.set_num_threads(threads)
    return made
