"""Recipe `spectra`: transmission spectra of exoplanets from the Ariel Data Challenge's light curves."""
