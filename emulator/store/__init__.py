"""What a card keeps without power: a folder of plain files, how they are written, how cards are made."""
