"""The words both sides of Loa speak: models, parsing, signing, framing. No input or output."""
