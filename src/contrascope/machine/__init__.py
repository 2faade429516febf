"""What this machine really gives to this process: cores, quota, crowd. Imports nothing heavy."""
