"""``gtzan`` and ``python -m gtzan_helpers``: the command line."""

import signal


def main() -> None:
    """Run the command line; while it is imported, Ctrl-C ends the process without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from gtzan_helpers.cli import main

    main()


if __name__ == "__main__":
    main()
