"""The configuration portal: the page's files, and the two scripts that make a folder to deploy of them (README.md)."""
