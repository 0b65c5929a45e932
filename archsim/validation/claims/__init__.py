"""Claims made for protonic devices and for the RPU projection, held against the shipped chips."""
