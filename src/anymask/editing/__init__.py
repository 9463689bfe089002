"""From masks to edited images."""
