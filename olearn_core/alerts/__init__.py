"""What deserves a person's attention: agents that change, laws that are not kept, lost outcomes."""
