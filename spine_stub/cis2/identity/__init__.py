"""Who is signed in, how surely, and what is said of them."""
