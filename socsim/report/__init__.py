"""Tables, text, figures, HTML, traces and documents, made from records alone."""
