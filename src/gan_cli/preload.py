"""PyTorch's shared libraries, loaded while Hydra composes a config."""

import ctypes
import importlib.util
import os
import sys
import threading
from pathlib import Path


def libtorch() -> None:
    """Begin to load them, in a thread; whatever fails is left to `import torch`.

    To relocate them and register their operators is a fifth of that import. It needs no Python, so
    on another processor it goes on beside it. To be called when Hydra is imported: a process loads
    one library at a time, and an extension module that is imported meanwhile has to wait.
    """
    torch = importlib.util.find_spec("torch")
    if sys.platform == "linux" and torch is not None and torch.origin is not None:
        lib = Path(torch.origin).parent / "lib"
        # No daemon: a process that ends while its libraries come up may crash.
        threading.Thread(target=_load, args=[lib]).start()


def _load(lib: Path) -> None:
    # The C function itself: CDLL holds Python's lock until all is loaded.
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
    # As `import torch` does it: this one first, for all to see.
    dlopen(os.fsencode(lib / "libtorch_global_deps.so"), os.RTLD_GLOBAL | os.RTLD_LAZY)
    dlopen(os.fsencode(lib / "libtorch.so"), os.RTLD_LOCAL | os.RTLD_LAZY)
