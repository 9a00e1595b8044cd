"""One file a page, as st.navigation runs it; what it draws lies in the folder of its name."""
