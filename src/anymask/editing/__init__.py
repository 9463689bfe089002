"""From masks to edited pictures."""
