"""How people give orders: alerts, commands, bulletins, the standing programme; and who took them.

Nothing here speaks to a board. What is composed is judged by the boards' own acceptance rule before
it leaves, put into the content tree, and carried from there by the server or on a stick.
"""
