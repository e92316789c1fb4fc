"""What of the portal is said to people, gathered for translation: ``make messages``."""
