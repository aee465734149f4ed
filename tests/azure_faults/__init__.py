"""What a person does on Azure, against what may go wrong there: `python -m tests.azure_faults` prints the table."""
