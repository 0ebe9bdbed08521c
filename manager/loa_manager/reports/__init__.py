"""Reports of the programme: periods, figures, templates, and the files they become."""
