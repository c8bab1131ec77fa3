"""The formats that are written, a registration each: a new one is added here."""

from kinowatt.formats.emissions import emissions_csv
from kinowatt.formats.flat import csv_text, json_lines, parquet_file
from kinowatt.formats.hub import dataset_folder
from kinowatt.formats.papers import latex_table, methods_text
from kinowatt.formats.writers import Writer, register

for _writer in (
    Writer(name="jsonl", what="rows as they are, a line each", text=json_lines),
    Writer(name="csv", what="flat columns, and the whole row in row_json", text=csv_text),
    Writer(name="parquet", what="the columns of csv, with types", files=parquet_file),
    Writer(name="codecarbon", what="emissions.csv of CodeCarbon 3.3", text=emissions_csv),
    Writer(name="hub", what="a Hugging Face dataset folder with its card", files=dataset_folder),
    Writer(name="latex", what="a booktabs table of like rows", text=latex_table),
    Writer(name="methods", what="paragraph, table of conditions, BibTeX", text=methods_text),
):
    register(_writer)
