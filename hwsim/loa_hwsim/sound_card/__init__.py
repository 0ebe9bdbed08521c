"""A sound card without a sound card: ALSA programs play to it, in real time, with faults at will.

`loa_hwsim.sound_card.card` makes one, `loa_hwsim.sound_card.build` compiles its plug-in of the
ALSA library (``loa_card.c``) on first use, and `loa_hwsim.sound_card.diary` reads what befell it.
"""
