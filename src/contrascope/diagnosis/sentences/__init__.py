"""What is asked of encoders of sentences, where images are asked otherwise."""
