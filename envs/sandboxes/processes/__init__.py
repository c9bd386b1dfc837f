"""The processes inside a sandbox: who forks whom, and what each of them serves."""
