"""Parameters of runtimes and boards, fitted to measurements, and the errors that remain on what was left out."""
