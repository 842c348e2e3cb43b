"""Streamlit components of our own: SVG and HTML drawn by a script that only ever sets ``textContent``, never HTML, from data."""
