"""What was uploaded, opened with bounds; nothing is executed, nothing is loaded whole."""
