"""One module for each row; `measure` of each gives a Result."""
