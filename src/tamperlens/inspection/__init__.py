"""One file or many -> findings, verdict, record and casefile: what a fact-checker is handed."""
