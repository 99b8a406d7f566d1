"""The command line. Knows argparse's completion (shtab), and alone knows the demo."""
