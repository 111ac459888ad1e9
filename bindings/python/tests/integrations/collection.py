"""A query and its candidates. The second one is the answer, the third is about something else."""

QUERY = "Where is the Eiffel Tower?"
TEXTS = [
    "The Louvre is a museum in Paris.",
    "The Eiffel Tower stands on the Champ de Mars in Paris.",
    "Sourdough bread needs a starter.",
    "Tokyo Tower is a little taller than the Eiffel Tower.",
]
