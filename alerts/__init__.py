"""WATCH: ElastAlert rule files become matches, and matches become notifications.

In: rule files, and what ``queries`` finds. Out: alerts with a state, delivered per channel.
"""
