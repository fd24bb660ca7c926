NETS = []
