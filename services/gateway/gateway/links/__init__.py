"""Links: the pages on which merchants make, watch and change them. The linker owns them and decides about them."""
