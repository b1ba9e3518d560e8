"""What is remembered of each request, and why the broker decided as it did."""
