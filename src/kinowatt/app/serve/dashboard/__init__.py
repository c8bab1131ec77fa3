"""The dashboard: pages in Gradio, drawn by Plotly, all of it from this machine."""
