"""The data studio: from files of any common kind to checked, split, versioned conversations. Knows files, no target."""
