"""A CSV or workbook as rows with line numbers."""
