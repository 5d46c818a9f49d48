"""The formulas behind `losses`: by label, over a batch, and the class weights."""
