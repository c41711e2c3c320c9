"""What `gan bench` measures against."""
