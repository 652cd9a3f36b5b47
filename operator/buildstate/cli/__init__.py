"""What one may ask of the program: to run the operator, or to look after its stores."""
