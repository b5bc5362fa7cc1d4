"""How much memory a script of a benchmark took; the script begins with this text."""

PEAK_MB = r"""
def peak_mb():
    # Not `ru_maxrss`, which a process has from the one that started it.
    import re
    from pathlib import Path
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024
"""
