"""规则库：公文措施、承办单位、归口标签、时限与日历，从 routing_rules/ 读成一个不可变的 Rulebook。"""
