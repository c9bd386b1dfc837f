"""The legal edits of a program: small repairs, enumerated from its syntax."""
