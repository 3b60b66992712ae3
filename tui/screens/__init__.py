"""The screens, one package each; the app only routes between them."""
