"""What is dangerous or meaningless in a document: each finding with its rule, line and severity, what is wrong, and what to do."""
