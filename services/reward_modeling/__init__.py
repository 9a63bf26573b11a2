"""Making a judge: curation, annotation, training, evaluation, on Ray."""
