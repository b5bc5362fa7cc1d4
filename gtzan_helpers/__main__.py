"""``python -m gtzan_helpers``: the command line."""

from gtzan_helpers.cli import main

if __name__ == "__main__":
    main()
