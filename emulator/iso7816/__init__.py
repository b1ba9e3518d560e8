"""The card's side of ISO/IEC 7816-4: APDUs, chaining, status words, BER-TLV. Nothing here knows PIV."""
