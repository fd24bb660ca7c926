"""SSD's DetectionOutput (written later in this file's place)."""
