"""Drafts and signatures on their way between editor, approver and server; no key is in here."""
