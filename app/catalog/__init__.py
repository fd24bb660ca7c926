"""What the live workers announced that they can do."""
