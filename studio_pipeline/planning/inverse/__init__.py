"""The inverse problem: from a revenue to reach to the least-cost lever plan."""
