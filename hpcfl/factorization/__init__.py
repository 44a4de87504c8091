"""Matrix factorization: ratings dealt to ranks, and the methods that factorize them."""
